"""The operator's pages inside Airflow's UI; in `api/`, the interface for other systems."""
