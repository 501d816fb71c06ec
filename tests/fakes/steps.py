"""Actors that take one step at a time, in an order that a test chooses: every interleaving of them can be played.

An actor is a thread that stops before each request to the API server. Only one runs at any moment.
"""

from threading import Semaphore, Thread


class Actor:
    """Run `work(api)` step by step; `api` is a fake API server that stops before each request."""

    def __init__(self, kube, work):
        self.done = False
        self.error = None
        self._go, self._stands = Semaphore(0), Semaphore(0)
        Thread(target=self._run, args=(work, _Stepping(kube, self)), daemon=True).start()

    def _run(self, work, api):
        self._go.acquire()
        try:
            work(api)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.error = error
        self.done = True
        self._stands.release()

    def step(self):
        """Let it make its next request and run to the one after that, or to its end."""
        self._go.release()
        self._stands.acquire()
        if self.error:
            raise self.error

    def stand_still(self):
        self._stands.release()
        self._go.acquire()


class _Stepping:
    def __init__(self, kube, actor):
        self._kube, self._actor = kube, actor

    def __getattr__(self, name):
        method = getattr(self._kube, name)
        if not callable(method):
            return method

        def request(*args, **params):
            self._actor.stand_still()
            return method(*args, **params)

        return request
