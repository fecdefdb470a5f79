# SPDX-License-Identifier: GPL-2.0-only
# Sends 8 MiB of random bytes over TCP to ADDRESS port 5001; prints their digest.
import hashlib, os, socket, sys

data = os.urandom(8 << 20)
with socket.create_connection((sys.argv[1], 5001), timeout=10) as connection:
    connection.sendall(data)
print(hashlib.sha256(data).hexdigest())
