"""What is looked up once for all messages that are stored by one commit, because it is the same for all of them."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
_KEPT = "looked up in this transaction"


def once(connection: Connection, key: Hashable, find: Callable[[], T]) -> T:
    """What `find` answers, kept under the key until this transaction ends; None is asked for again.

    So it may be as old as the transaction: only for what another process might as well change a moment later.
    """
    transaction = connection.get_transaction()
    kept_for, kept = connection.info.get(_KEPT, (None, {}))
    if transaction is None or kept_for is not transaction:
        kept = {}
        connection.info[_KEPT] = transaction, kept
    value = kept.get(key)
    if value is None and (value := find()) is not None:
        kept[key] = value
    return value  # type: ignore[no-any-return]
