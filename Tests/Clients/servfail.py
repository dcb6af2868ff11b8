"""A server of the Domain Name System that answers every question with SERVFAIL, or never.
  servfail.py FILE [silent]     its port is written to the file"""
import os, socket, sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as file: file.write(str(server.getsockname()[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    query, peer = server.recvfrom(4096)
    if len(sys.argv) > 2: continue
    end = 12
    while query[end]: end += query[end] + 1
    server.sendto(query[:2] + b"\x81\x82" + query[4:6] + bytes(6) + query[12:end + 5], peer)
