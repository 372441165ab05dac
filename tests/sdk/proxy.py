from __future__ import annotations

import http.client
import random
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import urlsplit


class LosingProxy:
    """Passes requests on and loses some of the answers: the server has done its work, the client hears nothing.

    ``lost`` counts answers that were lost, ``passed`` those that were not, and ``lost_records`` the usages that a lost
    answer said to be recorded: a busy server also answers that it has no time. Which are lost is random and the same
    in every run, so that some calls lose several in a row.
    """

    def __init__(self, address: str, *, share: float = 0.2, seed: int = 7) -> None:
        self.lost = 0
        self.passed = 0
        self.lost_records = 0
        self.share = share
        chance = random.Random(seed)
        server = urlsplit(address)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                upstream = http.client.HTTPConnection(server.hostname or "", server.port)
                try:
                    headers = {name: self.headers[name] for name in _HEADERS if name in self.headers}
                    upstream.request("POST", self.path, body, headers)
                    answer = upstream.getresponse()
                    content = answer.read()
                finally:
                    upstream.close()
                if chance.random() < proxy.share:
                    proxy.lost += 1
                    proxy.lost_records += len(_RECORDED.findall(content))
                    self.close_connection = True
                    return
                proxy.passed += 1
                self.send_response(answer.status)
                self.send_header("content-type", answer.headers["content-type"])
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = Thread(target=self._http.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


_RECORDED = re.compile(rb'"recorded":\s*true')
_HEADERS = ("authorization", "content-type", "content-encoding")
