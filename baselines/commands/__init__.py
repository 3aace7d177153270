"""What `marft` can do, one command a file. Nothing here imports torch before it is needed."""
