"""Where tasks come from, whatever kind of tasks they are: generators, files, folders and the Hugging Face Hub."""
