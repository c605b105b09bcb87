"""A throw-away Airflow for tests: its home, the process that runs a DAG in it, and the search for what leaked."""
