"""The comparison page: figures and tables from the JSON files of the other commands."""
