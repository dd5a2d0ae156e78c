// SPDX-License-Identifier: MIT

// The compiler wants an assembly file beside a function without a body.
