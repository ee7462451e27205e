"""The stages of a run, in their order: tasks, split, verification, report; and the record that they share."""
