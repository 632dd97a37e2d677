"""The outbox: one row per intended remote change, carried from click to outcome.

Neither remote API has idempotency keys, so what keeps a change from being lost or done twice is
here: ``states`` (compare-and-swap moves), ``kinds`` (what a change consists of and how its outcome
is read back), ``requests`` (what people ask for), ``delivery`` (what workers do), ``word`` (how the
page hears of it). The rules stand in docs/decisions.
"""
