"""What the package adds to the Airflow UI. Loaded by every Airflow process, so it imports only the plugin base."""

from airflow.plugins_manager import AirflowPlugin


class EsimGoPlugin(AirflowPlugin):
    """Registers the package's pages and links with Airflow."""

    name = "esimgo"
