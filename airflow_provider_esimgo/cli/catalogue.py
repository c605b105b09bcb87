"""`airflow esimgo catalogue …`"""

from argparse import Namespace

from airflow.cli.simple_table import AirflowConsole

from airflow_provider_esimgo.cli.session import readable_errors, say
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.kit.bundle_names import in_words


def list_bundles(args: Namespace) -> None:
    """Print what can be bought, from the kept catalogue while it is young."""
    country = (args.country or "").upper()
    with readable_errors(), EsimGoHook(args.conn_id) as hook:
        found = hook.catalogue(refresh=args.refresh, stale_ok=True)
        currency = hook.settings.currency or ""
    chosen = [facts for facts in found.bundles.values() if not country or country in facts.countries]
    say(f"{found}. Prices are the list's; a batch is priced by the vendor's dry run.")
    if not chosen:
        raise SystemExit(f"No bundle of it is known to work in {country}. Give the country's ISO 3166 code.")
    AirflowConsole().print_as(
        [
            {
                "bundle": facts.name,
                "is": in_words(
                    facts.name, data_mb=facts.data_mb, days=facts.days, description=facts.description
                )
                or facts.description,
                "countries": len(facts.countries) or "",
                "list price": "" if facts.price is None else f"{facts.price:.2f} {currency}".rstrip(),
            }
            for facts in sorted(chosen, key=lambda facts: facts.name)
        ],
        output=args.output,
    )
