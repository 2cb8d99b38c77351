"""The conformance suite: what every backend passes, ours or foreign.

Derive a class whose name begins with ``Test`` and say what is tested; pytest does the rest, and no
plugin is needed. Which checks apply is read from the capabilities::

    class TestAcme(HTTPBackendConformance):
        model = "acme-1"
        secret = "key-of-the-test"

        @asynccontextmanager
        async def backend(self):
            async with fake_acme() as self.server:
                yield AcmeBackend(base_url=self.server.url, api_key=self.secret)

        def sent(self):
            return self.server.bodies

        def backend_at(self, base_url):
            return AcmeBackend(base_url=base_url, api_key=self.secret)
"""

from .documented import DocumentedError
from .suite import BackendConformance, HTTPBackendConformance

__all__ = ["BackendConformance", "DocumentedError", "HTTPBackendConformance"]
