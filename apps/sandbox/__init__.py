"""A stand-in for both remote APIs: one small server, two contracts, nothing of the portal.

Run it with ``manage.py sandbox`` or ``python -m apps.sandbox``. Where to look:

- ``server.py``     the door: sockets, HTTP/1.1, the command line
- ``app.py``        ``App.handle(Request) -> Response``: routing, faults, the journal
- ``anthropic/``    the Anthropic Admin API, a module for each tag of its contract
- ``cline/``        the Cline Enterprise API, a module for each resource
- ``world.py``      the rows, and the one way to change them
- ``people.py``     the seeded world (``names.py``, ``ids.py``: how it spells them)
- ``state.py``      what lasts: the log file, the clock, the journal
- ``faults.py``     the faults, and the shapes of ``/_control``
- ``control.py``    ``/_control``: for tests and demonstrations only
"""
