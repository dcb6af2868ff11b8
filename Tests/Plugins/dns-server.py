"""Servers of the Domain Name System as they should not be. Each says "ready" and its port.
  dns-server.py MODE [SECONDS]    silent: never answers; late: answers after so long, and says how many wait; garbage: what the first label of the
                                  name says; without: answers that are addresses, and FORMERR to queries with EDNS;
                                  names: NXDOMAIN, and says what was asked for"""
import collections, os, socket, struct, sys, time

def name_end(packet, at):
    while packet[at]: at += packet[at] + 1
    return at + 1

def answer(query, rcode=0, records=b"", count=None):
    end = name_end(query, 12) + 4
    number = (1 if records else 0) if count is None else count
    return query[:2] + struct.pack(">HHHHH", 0x8400 | rcode, 1, number, 0, 0) + query[12:end] + records

def record(kind, data, owner=b"\xc0\x0c", length=None):
    return owner + struct.pack(">HHIH", kind, 1, 60, len(data) if length is None else length) + data

def wrong(query):
    first = query[13:13 + query[12]].decode()
    kind = struct.unpack(">H", query[name_end(query, 12):][:2])[0]
    address = b"\xc0\x00\x02\x01" if kind == 1 else bytes(16)
    if first == "noise": return query[:2] + os.urandom(300)
    if first == "short": return query[:7]
    if first == "cut": return answer(query, records=record(kind, address))[:-2]
    if first == "more": return answer(query, records=record(kind, address), count=9)
    if first == "lies": return answer(query, records=record(kind, address, length=60000))
    if first == "size": return answer(query, records=record(kind, address[:3]))
    if first == "pointer": return answer(query, records=record(kind, address, owner=struct.pack(">H", 0xC000 | name_end(query, 12) + 4)))
    if first == "beyond": return answer(query, records=record(5, b"\xff\xff"))
    if first == "label": return answer(query, records=record(5, b"\x3fabc"))
    if first == "self": return answer(query, records=record(5, b"\xc0\x0c"))
    if first == "other": return answer(query, records=record(kind, address, owner=b"\x05other\x00"))
    if first == "endless":
        return answer(query, records=record(5, b"\x07endless" + bytes([4]) + os.urandom(2).hex().encode() + b"\x00"))
    return answer(query, records=record(kind, address))

mode, delay = sys.argv[1], float((sys.argv[2:] or [1.5])[0])
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
server.bind(("127.0.0.1", 0))
print("ready", server.getsockname()[1], flush=True)
waiting, most = collections.deque(), 0
while True:
    server.settimeout(max(0.001, waiting[0][0] - time.monotonic()) if waiting else None)
    try:
        query, sender = server.recvfrom(4096)
    except TimeoutError:
        query = None
    while waiting and waiting[0][0] <= time.monotonic(): server.sendto(*waiting.popleft()[1:])
    if query is None or mode == "silent": continue
    if mode == "names":
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += query[at] + 1
        print(".".join(labels), flush=True)
        server.sendto(answer(query, rcode=3), sender)
    elif mode == "garbage":
        server.sendto(wrong(query), sender)
    elif mode == "without":
        server.sendto(answer(query, rcode=1) if query[11] else wrong(query), sender)
    else:
        kind = struct.unpack(">H", query[name_end(query, 12):][:2])[0]
        waiting.append((time.monotonic() + delay, answer(query, records=record(1, b"\xc0\x00\x02\x63") if kind == 1 else b""), sender))
        if len(waiting) > most:
            most = len(waiting)
            print("waiting", most, flush=True)
