"""The commands, one file each; `twofold.sw.cli.main` lists them in the order of the workflow."""
