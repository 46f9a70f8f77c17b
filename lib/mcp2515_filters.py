# The MCP2515's two masks and six filters for a list of wanted ids: RXM0 with RXF0-1 lead to RXB0 (and roll over to
# RXB1), RXM1 with RXF2-5 to RXB1. Where the list does not fit, the smallest superset found; the driver drops the rest.
#
# A filter compares the kind of id always. For standard frames the mask's 18 low bits would compare the first two data
# bytes (DS20001801J, 4.5.1): they are zero in a mask that any standard filter uses.
#
# Buffers' "receive any message" (RXM = 11) is no way to take all: it also loads the half of a frame that an error
# frame ended (DS20001801, 4.2.1). Two filters under a mask of zero take every valid frame.


def pack(into, at, can_id, ext):
    # Four registers: SIDH, SIDL, EID8, EID0.
    if ext:
        into[at] = can_id >> 21
        into[at + 1] = (can_id >> 13 & 0xE0) | 8 | (can_id >> 16 & 3)
        into[at + 2] = can_id >> 8 & 255
        into[at + 3] = can_id & 255
    else:
        into[at] = can_id >> 3
        into[at + 1] = can_id << 5 & 0xE0
        into[at + 2] = into[at + 3] = 0


def _wide(can_id, ext):
    # As 29 bits, where a standard id is the upper 11.
    return can_id if ext else can_id << 18


def _ones(n):
    count = 0
    while n:
        n &= n - 1
        count += 1
    return count


def _group(filters, room):
    # (mask, [(wide id, ext)]) that lets all of these through with `room` filters. Standard and extended ids are never
    # merged into one, so `room` is at least 2.
    mask = 0x1FFFFFFF
    for _, its, ext in filters:
        mask &= _wide(its, ext)
    while True:
        values = []
        for can_id, _, ext in filters:
            value = (_wide(can_id, ext) & mask, ext)
            if value not in values:
                values.append(value)
        if len(values) <= room:
            return mask, values
        nearest = mask
        for i in range(len(values)):
            for k in range(i):
                differs = values[i][0] ^ values[k][0]
                if values[i][1] == values[k][1] and _ones(differs) < _ones(nearest):
                    nearest = differs
        mask &= ~nearest


def _cost(group):
    # How much of the ids it lets through, in units of one extended id.
    mask, values = group
    return len(values) << (29 - _ones(mask))


def _exact(filters, group):
    mask, values = group
    for _, its, ext in filters:
        if _wide(its, ext) != mask:
            return False
    return True


def arrange(filters):
    # (28 register bytes: RXF0 to RXF5, RXM0, RXM1; True if the chip lets through just what is wanted).
    if not filters:
        filters = [(0x1FFFFFFF, 0x1FFFFFFF, 1)]
    ordered = sorted([(ext, mask, can_id) for can_id, mask, ext in filters])
    ordered = [(can_id, mask, ext) for ext, mask, can_id in ordered]
    best = None
    for split in range(len(ordered), -1, -1):
        for first, second in ((ordered[:split], ordered[split:]), (ordered[split:], ordered[:split])):
            if not first:
                continue  # RXB0 is the one with two buffers
            a = _group(first, 2)
            b = _group(second, 4) if second else a
            cost = _cost(a) + (_cost(b) if second else 0)
            if best is None or cost < best[0]:
                best = cost, a, b, _exact(first, a) and _exact(second, b)
    _, a, b, exact = best
    return _registers(a, b), exact


def _registers(a, b):
    out = bytearray(32)
    for n in range(6):
        values = (a if n < 2 else b)[1]
        wide, ext = values[n % 2 % len(values)] if n < 2 else values[(n - 2) % len(values)]
        pack(out, 4 * n, wide if ext else wide >> 18, ext)
    pack(out, 24, a[0], 1)
    pack(out, 28, b[0], 1)
    out[25] &= ~8  # a mask has no EXIDE
    out[29] &= ~8
    return out
