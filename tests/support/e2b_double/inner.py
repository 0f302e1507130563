"""The first program inside a machine of the double: starts processes for those outside. Standard library only.

``inner.py SOCKET``: each connection carries one request, a JSON object with descriptors for stdin, stdout and stderr:
``{"argv", "env", "cwd"}`` is answered by ``{"pid"}`` and, at its end, ``{"code"}``, each on a line;
``{"kill": pid, "signal": n}`` by ``{"code": 0}`` or ``{"code": 1}`` when there is no such process.
"""

import json
import os
import socket
import subprocess
import sys
import threading


def _serve(connection: socket.socket) -> None:
    with connection:
        data, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        try:
            request = json.loads(data)
            if "kill" in request:
                _answer(connection, {"code": _kill(request["kill"], request["signal"])})
            else:
                _run(connection, request, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def _run(connection: socket.socket, request: dict, descriptors: list[int]) -> None:  # type: ignore[type-arg]
    stdin, stdout, stderr = descriptors
    try:
        process = subprocess.Popen(
            request["argv"], stdin=stdin, stdout=stdout, stderr=stderr,
            env=request["env"], cwd=request["cwd"], start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        _answer(connection, {"pid": 0, "error": str(error)})
        return
    while descriptors:
        os.close(descriptors.pop())
    _answer(connection, {"pid": process.pid})
    _answer(connection, {"code": process.wait()})


def _kill(pid: int, signal: int) -> int:
    try:
        os.kill(pid, signal)
    except ProcessLookupError:
        return 1
    return 0


def _answer(connection: socket.socket, value: object) -> None:
    try:
        connection.sendall(json.dumps(value).encode() + b"\n")
    except OSError:
        return  # nobody waits for it any more


def main() -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(64)
    sys.stdout.write("up\n")
    sys.stdout.flush()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
