"""A sending job with asyncssh: asyncssh_job.py PORT USER KEY KNOWN_HOSTS ACT PATH..."""

import asyncio
import sys

import asyncssh

port, user, key, known_hosts, act, *paths = sys.argv[1:]


async def main():
    options = {"username": user, "client_keys": [key], "known_hosts": known_hosts, "agent_path": None, "config": []}
    async with asyncssh.connect("127.0.0.1", int(port), **options) as connection, connection.start_sftp_client() as sftp:
        if act in ("put", "put-again"):
            await sftp.put(*paths)
        elif act == "put-with-time":
            await sftp.put(*paths, preserve=True)
        elif act == "put-and-rename":
            await sftp.put(paths[0], paths[1])
            await sftp.posix_rename(paths[1], paths[2])
        elif act == "list":
            for entry in await sftp.readdir(paths[0]):
                print(entry.attrs.size, entry.filename)
        elif act == "get":
            await sftp.get(*paths)
        else:
            sys.exit("no such act: " + act)


asyncio.run(main())
