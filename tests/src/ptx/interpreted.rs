//! Cases on the compiler's interpreter.

use std::collections::BTreeMap;

use compiler::ModuleSource;
use compiler::front::ast::Symbol;
use compiler::front::words::StateSpace;
use compiler::interpreter::{self, Launch, Memory};
use compiler::ir::{Function, SHARED_WINDOW};
use compiler::translate::translate;

use super::case::{Argument, Buffer, Case, Kernel, Outputs, Shape, output_name};

/// Instructions after which a launch is given up.
const MAX_STEPS: u64 = 20_000_000;

/// Runs every launch of a case on the translated functions.
///
/// # Errors
/// What the compiler or the interpreter objects to, with the kernel's name.
pub fn run(case: &Case) -> Result<Outputs, String> {
    run_with(case, |_| ())
}

/// Runs every launch of a case on functions that `transform` has changed.
///
/// # Errors
/// As [`run`].
pub fn run_with(case: &Case, transform: impl Fn(&mut Function)) -> Result<Outputs, String> {
    let source = ModuleSource::new(case.text.clone()).map_err(|error| error.to_string())?;
    let mut outputs = Outputs::new();
    for kernel in &case.kernels {
        let name = &kernel.name;
        let mut function = translate(&source, name).map_err(|error| format!("{name}: {error}"))?;
        transform(&mut function);
        for (index, shape) in kernel.shapes.iter().enumerate() {
            let results = launch(&source, &function, kernel, shape)
                .map_err(|error| format!("{name}: {error}"))?;
            for (argument, values) in results {
                outputs.insert(output_name(kernel, index, argument), values);
            }
        }
    }
    Ok(outputs)
}

/// Runs one launch; the result is the elements of each looked-at argument.
fn launch(
    source: &ModuleSource,
    function: &Function,
    kernel: &Kernel,
    shape: &Shape,
) -> Result<Vec<(usize, Vec<u64>)>, String> {
    let mut memory = Memory::default();
    let globals = place_variables(source, &mut memory)?;
    let mut parameters = Vec::new();
    let mut addresses = Vec::new();
    for (argument, formal) in kernel.arguments.iter().zip(formals(source, kernel)?) {
        let address = match argument {
            Argument::In(buffer) | Argument::Out { buffer, .. } => memory.allocate(buffer.bytes()),
            Argument::Value(_) => 0,
        };
        addresses.push(address);
        parameters.resize(formal, 0);
        match argument {
            Argument::Value(bytes) => parameters.extend(bytes),
            _ => parameters.extend(address.to_le_bytes()),
        }
    }
    parameters.resize(parameters.len().max(function.parameter_bytes as usize), 0);
    let launch = Launch {
        grid: shape.grid,
        block: shape.block,
        dynamic_shared_bytes: shape.shared,
        parameters: &parameters,
        globals: &globals,
        max_steps: MAX_STEPS,
    };
    interpreter::run(function, &launch, &mut memory).map_err(|error| error.to_string())?;
    let read = |(at, buffer, ..): (usize, &Buffer, _, _)| {
        let bytes = memory.read(addresses[at], buffer.bytes().len() as u64);
        let bytes = bytes.map_err(|error| error.to_string())?;
        Ok((at, Buffer::read(buffer.ty, bytes)))
    };
    kernel.outputs().map(read).collect()
}

/// The byte at which each parameter starts.
fn formals(source: &ModuleSource, kernel: &Kernel) -> Result<Vec<usize>, String> {
    let entry = source
        .index
        .function(&kernel.name)
        .ok_or("no such kernel")?;
    let (takes, passed) = (entry.parameters.len(), kernel.arguments.len());
    if takes != passed {
        return Err(format!("{takes} parameters, but the case passes {passed}"));
    }
    Ok(entry.parameters.iter().map(|p| p.offset as usize).collect())
}

/// Lays out the module's variables and initializes them; addresses by name.
fn place_variables(
    source: &ModuleSource,
    memory: &mut Memory,
) -> Result<BTreeMap<String, u64>, String> {
    let variables = &source.index.variables;
    let in_memory = |space| matches!(space, StateSpace::Global | StateSpace::Const);
    let mut addresses = BTreeMap::new();
    for variable in variables.iter().filter(|v| in_memory(v.space)) {
        let bytes = vec![0; variable.size() as usize];
        let address = match variable.space {
            StateSpace::Const => memory.allocate_constant(bytes),
            _ => memory.allocate(bytes),
        };
        addresses.insert(variable.name.clone(), address);
    }
    for variable in variables.iter().filter(|v| in_memory(v.space)) {
        let resolve = |name: &str| source.index.symbol(name);
        let initializer = compiler::front::initializer(&source.text, variable, resolve)
            .map_err(|error| error.to_string())?;
        let mut bytes = initializer.bytes;
        for relocation in &initializer.relocations {
            let Symbol::Module(index) = relocation.symbol else {
                return Err("an initializer with the address of a function".to_owned());
            };
            let target = &variables[index];
            let base = match target.space {
                StateSpace::Shared => SHARED_WINDOW,
                _ => addresses[&target.name],
            };
            let address = base.wrapping_add_signed(relocation.addend);
            let (at, size) = (relocation.offset as usize, relocation.size as usize);
            bytes[at..at + size].copy_from_slice(&address.to_le_bytes()[..size]);
        }
        let place = memory.write(addresses[&variable.name], bytes.len() as u64);
        place
            .map_err(|error| error.to_string())?
            .copy_from_slice(&bytes);
    }
    Ok(addresses)
}
