# Listens to the packets of one sender's long messages (SAE J1939-21, facts 1.3) and puts them together. It answers
# nothing: that is the session's part. A message counts only when every packet came, in order; the same one twice in a
# row is one.
from micropython import const

_CELLS = const(0x15)  # BMV: two bytes a cell, 0.01 V in the lower 12 bits
_LONGEST = const(56)  # BRM, in reality 49 (facts 1.2); of longer ones only the begin is kept
_RTS = const(0x10)
_MASK = const(0x3FFFFFFF)
_T1_ms = const(1250)  # silence between packets after which the message is lost


class Transport:
    def __init__(self):
        self.data = bytearray(_LONGEST)
        self.size = 0
        self.pf = -1  # PDU format of the message under way; -1 none
        self.lowest_cV = 0xFFF  # of the cells in the list that came last, or is under way
        self._low = 0
        self._next = 0
        self._packets = 0
        self._at = 0

    def request(self, data, now):
        # A TP.CM frame. A request to send starts anew, whatever was before; anything else of its kind ends it.
        self.pf = -1
        size = data[1] | data[2] << 8
        if data[0] != _RTS or data[5] or data[7] or size < 9 or data[3] != (size + 6) // 7:
            return
        self.pf = data[6]
        self.lowest_cV = 0xFFF
        self.size = size
        self._packets = data[3]
        self._next = 1
        self._at = now

    def packet(self, data, now):
        # The PDU format if this packet completes a message, else -1.
        if self.pf < 0:
            return -1
        number = self._next
        if data[0] != number or (now - self._at) & _MASK > _T1_ms:
            if data[0] != number - 1 or number < 2:
                self.pf = -1
            return -1
        self._at = now
        self._next = number + 1
        if self.pf == _CELLS:
            self._cells(data, number * 7 - 7)
        elif number * 7 <= _LONGEST:
            self._keep(data, number * 7 - 8)
        if number < self._packets:
            return -1
        pf = self.pf
        self.pf = -1
        return pf

    def _keep(self, data, at):
        into = self.data
        for k in range(1, 8):
            into[at + k] = data[k]

    def _cells(self, data, at):
        for k in range(1, 8):
            if at & 1:
                cell_cV = (self._low | data[k] << 8) & 0xFFF
                if at < self.size and cell_cV < self.lowest_cV:
                    self.lowest_cV = cell_cV
            else:
                self._low = data[k]
            at += 1
