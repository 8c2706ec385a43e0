"""The commands, a file each; `twofold.sw.cli.main` lists them in the order of work."""
