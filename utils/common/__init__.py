"""What every stage may use: labels, errors, files, seeds, pictures, tables, questions, progress."""
