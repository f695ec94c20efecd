"""The pipeline's steps, in order. They know nothing of Airflow: the DAGs and the command line both call them."""
