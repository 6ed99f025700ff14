"""A sending job with paramiko: paramiko_job.py PORT USER KEY KNOWN_HOSTS ACT PATH..."""

import os
import sys

import paramiko

port, user, key, known_hosts, act, *paths = sys.argv[1:]

client = paramiko.SSHClient()
client.load_host_keys(known_hosts)
client.set_missing_host_key_policy(paramiko.RejectPolicy())
client.connect("127.0.0.1", int(port), user, key_filename=key, allow_agent=False, look_for_keys=False)
with client, client.open_sftp() as sftp:
    if act == "put":
        sftp.put(*paths)  # confirm=True: a STAT afterwards, and the sizes compared
    elif act == "put-again":
        with open(paths[0], "rb") as source, sftp.file(paths[1], "wb") as target:
            target.set_pipelined(True)
            while block := source.read(32768):
                target.write(block)
        if sftp.stat(paths[1]).st_size != os.path.getsize(paths[0]):
            sys.exit("the sizes differ")
    elif act == "put-with-time":
        sftp.put(*paths)
        times = os.stat(paths[0])
        sftp.utime(paths[1], (int(times.st_atime), int(times.st_mtime)))
    elif act == "put-and-rename":
        sftp.put(paths[0], paths[1])
        sftp.posix_rename(paths[1], paths[2])
    elif act == "list":
        for entry in sftp.listdir_attr(paths[0]):
            print(entry.st_size, entry.filename)
    elif act == "get":
        sftp.get(*paths)  # asks for the whole file at once
    else:
        sys.exit("no such act: " + act)
