from ledger_kit.fixtures import market, nursery, open_market

__all__ = ["market", "nursery", "open_market"]
