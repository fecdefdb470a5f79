# SPDX-License-Identifier: GPL-2.0-only
# Accepts one TCP connection on ADDRESS port 5001; prints the digest of what came.
import hashlib, os, socket, sys

family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.create_server((sys.argv[1], 5001), family=family)
listener.settimeout(15)
connection, _ = listener.accept()
connection.settimeout(15)
digest = hashlib.sha256()
while chunk := connection.recv(1 << 20):
    digest.update(chunk)
os.write(1, (digest.hexdigest() + "\n").encode())
