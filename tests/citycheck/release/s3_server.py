"""An S3 server on loopback that honours conditional writes, and can lose requests and answers.

moto looks at If-Match and then writes, with nothing between two requests that do so at once; here one request is served
at a time, which makes it one step. `PUT /-faults` with {"every": n, "how": [...]} lets each n-th request be lost `before` it
is served, its answer be lost `after`, or end `half` way, or its conditions be ignored (`deaf`); {"every": 0} ends that.
Prints its port.
"""

from __future__ import annotations

import json
import socket
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


class Server:
    def __init__(self):
        self.app = DomainDispatcherApplication(create_backend_app)
        self.lock = threading.Lock()
        self.faults = {"every": 0, "how": []}
        self.served = 0

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/-faults":
            self.faults = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            start_response("200 OK", [])
            return [b""]
        answer = []
        with self.lock:
            self.served += 1
            every, how = self.faults["every"], self.faults["how"]
            fault = how[self.served // every % len(how)] if every and self.served % every == 0 else None
            if fault == "before":
                self.hang_up(environ)
            if fault == "deaf":
                environ = {name: value for name, value in environ.items() if not name.startswith("HTTP_IF_")}
            body = b"".join(self.app(environ, lambda *about: answer.append(about)))
        if fault == "after":
            self.hang_up(environ)
        start_response(*answer[0])
        return self.half(environ, body) if fault == "half" else [body]

    def half(self, environ, body):
        yield body[: len(body) // 2]
        self.hang_up(environ)

    def hang_up(self, environ):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, Server(), threaded=True, request_handler=MotoRequestHandler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
