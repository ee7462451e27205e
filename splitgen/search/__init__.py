"""Which task, with which class sides, makes the strongest split: candidates, rounds of trainings, sharpening."""
