"""The SFTP subsystem on standard input and output, by a client that calls itself something else:
subsystem.py PORT USER KEY KNOWN_HOSTS SOFTWARE"""

import os
import sys
import threading

import paramiko

port, user, key, known_hosts, software = sys.argv[1:]

transport = paramiko.Transport(("127.0.0.1", int(port)))
transport.local_version = software
transport.start_client()
if not paramiko.HostKeys(known_hosts).check(f"[127.0.0.1]:{port}", transport.get_remote_server_key()):
    sys.exit("not the host that was expected")
transport.auth_publickey(user, paramiko.Ed25519Key(filename=key))
channel = transport.open_session()
channel.invoke_subsystem("sftp")


def send():
    try:
        while data := os.read(0, 65536):
            channel.sendall(data)
        channel.shutdown_write()
    except OSError:
        pass  # the line was cut: receiving notices it too


threading.Thread(target=send, daemon=True).start()
while data := channel.recv(65536):
    while data:
        data = data[os.write(1, data) :]
transport.close()
