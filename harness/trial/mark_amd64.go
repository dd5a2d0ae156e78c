// SPDX-License-Identifier: MIT

package trial

// Marks are instructions that do nothing, which a profiler of an emulated machine sees.
// See vmtest/plugin/layout.h.

// markPart begins the next part of what a request asks for.
func markPart()

// markReading begins a window when the thread next reads its CPU time, and markRead ends
// it so.
func markReading()
func markRead()

// markEach says that an event is over whenever the thread stores to the address.
func markEach(at *int64)
