"""Does a backbone, or a kernel, train as well as another? Same data, noise, budget and seeds, and the verdict."""
