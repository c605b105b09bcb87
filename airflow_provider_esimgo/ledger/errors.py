"""Why the ledger stopped, in two trees: before money could move, and when it may have moved.

LedgerError
├── NothingSent                 the order at hand was not sent (earlier ones stay bought); cure it and run again
│   ├── LedgerUnavailable       the ledger cannot be reached, read or written
│   ├── LedgerSchemaMismatch    its tables are older or newer than this package
│   ├── UnknownBatch            no batch of that id on that account
│   ├── BatchConflict           the id holds another content, or the content another id
│   ├── PlanRefused             price, balance, currency, cap or mode forbids the plan
│   └── LeaseLost               another worker holds the account
├── MoneyAtStake                at least one order may have been charged; the ledger knows which
│   ├── OrderRejected           the vendor refused an order; nothing was charged for it
│   ├── OutcomeUnknown          an order was sent and its outcome is not known yet
│   ├── OrderInReview           a person has to decide about an order
│   └── SuspectedDuplicate      an order took effect after another worker had taken over
├── KitFolderTaken              a kit of another account is there; no money in it
└── DeliveredTwice              a recipient got a code in two messages; no money in it
"""


class LedgerError(Exception):
    """The ledger refused to go on."""


class NothingSent(LedgerError):
    """The order at hand was not sent. Those that the batch placed before stay as the ledger has them."""


class LedgerUnavailable(NothingSent):
    """The ledger database cannot be reached, read or written."""


class LedgerSchemaMismatch(NothingSent):
    """The ledger's tables are of another version than this package."""


class UnknownBatch(NothingSent):
    """There is no batch of this id on this account."""


class BatchConflict(NothingSent):
    """The batch id is taken by another content, or the content by another batch id."""


class PlanRefused(NothingSent):
    """A price, balance, currency, cap or mode forbids this plan."""


class LeaseLost(NothingSent):
    """Another worker holds the account."""


class MoneyAtStake(LedgerError):
    """At least one order of the batch may have been charged."""


class OrderRejected(MoneyAtStake):
    """The vendor refused an order; that order was not charged."""


class OutcomeUnknown(MoneyAtStake):
    """An order was sent and nobody knows yet whether it took effect."""


class OrderInReview(MoneyAtStake):
    """The evidence about an order disagrees; a person has to decide."""


class SuspectedDuplicate(MoneyAtStake):
    """An order took effect after another worker had taken it over."""


class KitFolderTaken(LedgerError):
    """A kit of another account is in that folder; nothing was written."""


class DeliveredTwice(LedgerError):
    """A message was accepted after a person had allowed another; nothing was bought."""
