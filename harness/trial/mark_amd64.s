// SPDX-License-Identifier: MIT

#include "textflag.h"

// nopl 0x727477xx(AX), where xx is of layout.h
#define MARK(kind) \
	BYTE $0x0f; BYTE $0x1f; BYTE $0x80; BYTE kind; BYTE $0x77; BYTE $0x74; BYTE $0x72

// func markPart()
TEXT ·markPart(SB), NOSPLIT, $0-0
	MARK($0x40)
	RET

// func markReading()
TEXT ·markReading(SB), NOSPLIT, $0-0
	MARK($0x11)
	RET

// func markRead()
TEXT ·markRead(SB), NOSPLIT, $0-0
	MARK($0x20)
	RET

// func markEach(at *int64)
TEXT ·markEach(SB), NOSPLIT, $0-8
	MOVQ at+0(FP), AX
	MARK($0x30)
	MOVQ (AX), CX
	RET
