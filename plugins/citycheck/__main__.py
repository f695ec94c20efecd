from citycheck.cli import app

app()
