"""The comparison as a page: figures and tables from the JSON files of the other commands."""
