"""The Cline Enterprise API (contracts/cline-enterprise.openapi.yaml). Where to look:

- ``access.py``         who calls, errors, how fast pages may follow
- ``people.py``         members, roles, invites
- ``account.py``        the caller's own account, and how it signs in; ``keys.py``: its API keys
- ``organizations.py``  the organization's document, remote config, shared provider keys
- ``plans.py``          plans, seats, the personal plan; ``catalogue.py``: what is on offer
- ``money.py``          credit of organizations and people; ``checkout.py``: its hosted pages
- ``usage.py``          use, computed by ``ledger.py`` when asked for
- ``api.py``            the class that has them all
"""
