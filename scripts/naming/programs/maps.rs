// Closures, iterators and generics, inlined through many modules of the standard library.
use std::collections::HashMap;

mod inner {
    pub fn build(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("x{}", at)).collect()
    }

    pub struct Numbers {
        pub all: Vec<u64>,
    }

    impl Numbers {
        #[inline(never)]
        pub fn add(&mut self, one: u64) {
            if one > 3 {
                self.all.push(one)
            } else {
                self.all.insert(0, one)
            }
        }
    }
}

fn main() {
    let mut known: HashMap<String, usize> = HashMap::new();
    for (at, text) in inner::build(std::env::args().count()).into_iter().enumerate() {
        known.insert(text, at);
    }
    let mut numbers = inner::Numbers { all: vec![] };
    numbers.add(known.len() as u64);
    println!("{}", numbers.all.len());
}
