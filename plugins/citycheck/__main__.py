from citycheck.cli import app

app(prog_name="citycheck")
