"""Provision eSIMs in bulk with Apache Airflow through the eSIM Go API, each bought exactly once."""

__version__ = "0.1.0"
