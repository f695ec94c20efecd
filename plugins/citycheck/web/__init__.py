"""The pages inside Airflow's UI: every model, seed and test of each dbt build."""
