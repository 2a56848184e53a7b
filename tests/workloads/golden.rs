//! golden: leaks through the standard library of Rust. Built twice: `v0` and `legacy` are its two ways of
//! mangling names. What is marked `here: NAME` is a line that a frame shows.
//!
//! Known answer, one phase; TIMES blocks each, from the function of that name < golden::main:
//!   keep_vec      Vec::with_capacity, line vec
//!   keep_box      Box::new, line boxed
//!   keep_string   String::push_str, line string
//!   keep_map      HashMap::insert, line map: one table for each map
//!   <golden::Pool<u32> as golden::Grow>::grow, of a trait, line grow < keep_pool, line pool
//!   the closure in keep_by_closure, line closure < call, line call < keep_by_closure, line by_closure

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{Read, Write};
use std::mem::forget;

const TIMES: usize = 10;

#[inline(never)]
fn keep_vec() {
    for _ in 0..TIMES {
        forget(black_box(Vec::<u32>::with_capacity(100))); // here: vec
    }
}

#[inline(never)]
fn keep_box() {
    for i in 0..TIMES {
        forget(black_box(Box::new([i as u64; 20]))); // here: boxed
    }
}

#[inline(never)]
fn keep_string() {
    for _ in 0..TIMES {
        let mut text = String::new();
        text.push_str(black_box("a text that is longer than nothing")); // here: string
        forget(black_box(text));
    }
}

#[inline(never)]
fn keep_map() {
    for i in 0..TIMES {
        let mut map = HashMap::new();
        map.insert(black_box(i), i); // here: map
        forget(black_box(map));
    }
}

trait Grow {
    fn grow(&mut self);
}

struct Pool<T> {
    rooms: Vec<Vec<T>>,
}

impl<T> Grow for Pool<T> {
    #[inline(never)]
    fn grow(&mut self) {
        forget(black_box(Vec::<T>::with_capacity(50 + self.rooms.len()))); // here: grow
    }
}

#[inline(never)]
fn keep_pool() {
    let mut pool = Pool::<u32> { rooms: Vec::new() };
    for _ in 0..TIMES {
        pool.grow(); // here: pool
        black_box(&mut pool);
    }
}

#[inline(never)]
fn call(make: &dyn Fn(usize)) {
    for i in 0..TIMES {
        make(i); // here: call
    }
    black_box(make);
}

#[inline(never)]
fn keep_by_closure() {
    let extra = black_box(3);
    let make = |i| forget(black_box(vec![1u8; 40 + extra + i])); // here: closure
    call(&make); // here: by_closure
    black_box(extra);
}

fn wait_for_line() {
    let mut byte = [0u8];
    while byte[0] != b'\n' {
        if std::io::stdin().lock().read(&mut byte).unwrap_or(0) == 0 {
            std::process::exit(0);
        }
    }
}

fn say(line: &str) {
    let _ = std::io::stdout().write_all(line.as_bytes());
    let _ = std::io::stdout().flush();
}

fn main() {
    say("ready\n");
    wait_for_line();
    keep_vec(); // here: main_vec
    keep_box(); // here: main_boxed
    keep_string(); // here: main_string
    keep_map(); // here: main_map
    keep_pool(); // here: main_pool
    keep_by_closure(); // here: main_closure
    say("done\n");
    wait_for_line();
}
