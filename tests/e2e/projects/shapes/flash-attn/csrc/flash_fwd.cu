// and be here
