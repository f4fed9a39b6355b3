"""How the embedded model is made: data, vocabulary, training, export and evaluation."""
