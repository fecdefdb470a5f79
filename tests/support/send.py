# SPDX-License-Identifier: GPL-2.0-only
# Sends 8 MiB of random bytes over TCP to ADDRESS port 5001; prints their digest.
import hashlib, os, socket, sys, time

data = os.urandom(8 << 20)
for last in (False,) * 50 + (True,):
    try:
        connection = socket.create_connection((sys.argv[1], 5001), timeout=10)
        break
    except ConnectionRefusedError:  # the receiver is not there yet
        if last:
            raise
        time.sleep(0.1)
with connection:
    connection.sendall(data)
# In one write: the receiver prints into the same pipe.
os.write(1, (hashlib.sha256(data).hexdigest() + "\n").encode())
