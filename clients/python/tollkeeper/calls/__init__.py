"""What each method of the clients asks and how its answer is read; one definition for both clients."""
