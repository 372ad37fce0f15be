//! `augment`, at the top of modules and in `uses`.

use super::{Expansion, Scope, Tree, cases, condition};
use crate::kinds::Kind;
use crate::{Error, Statement};

impl<'a> Expansion<'a> {
    /// Applies the `augment` statements at the top of the modules, until none is left.
    pub(super) fn augment(&self, tops: &mut [Vec<Tree>]) -> Result<(), Error> {
        let mut open: Vec<(usize, &'a Statement)> = Vec::new();
        for (at, module) in self.modules.all.iter().enumerate() {
            if module.implemented {
                open.extend(module.statement.all("augment").map(|augment| (at, augment)));
            }
        }
        while !open.is_empty() {
            let before = open.len();
            let mut last = None;
            let mut waiting = Vec::new();
            for (module, augment) in open {
                let scope = Scope {
                    module,
                    around: vec![&self.modules.all[module].statement],
                };
                let path = augment.argument.trim_start_matches('/');
                let first = path.split('/').next().unwrap_or_default();
                let (top, _) = self.split(first, module, augment)?;
                match self.graft(
                    &mut tops[top.unwrap_or(module)],
                    augment,
                    &scope,
                    module,
                    module,
                ) {
                    Ok(()) => {}
                    Err(error) => {
                        last = Some(error);
                        waiting.push((module, augment));
                    }
                }
            }
            if let (true, Some(error)) = (waiting.len() == before, last) {
                return Err(error);
            }
            open = waiting;
        }
        Ok(())
    }

    /// Adds what an `augment` defines.
    pub(super) fn graft(
        &self,
        trees: &mut Vec<Tree>,
        augment: &'a Statement,
        scope: &Scope<'a>,
        names: usize,
        namespace: usize,
    ) -> Result<(), Error> {
        if !self.featured(augment, scope.module)? {
            return Ok(());
        }
        let path = augment.argument.trim_start_matches('/');
        let target = self.below(trees, path, names, scope.module, augment)?;
        let mut added = self.children(augment, &scope.inside(augment), namespace)?;
        if target.kind == Kind::Choice {
            added = cases(added);
        }
        for tree in &mut added {
            if target
                .children
                .iter()
                .any(|child| child.name == tree.name && child.module == tree.module)
            {
                return Err(self.fault(scope.module, augment, "a name that is there already"));
            }
            for when in augment.all("when") {
                tree.when.push(condition(when, scope.module, true));
            }
        }
        target.children.extend(added);
        Ok(())
    }

    /// A schema node below, by the path of a `refine` or `augment`.
    pub(super) fn below<'t>(
        &self,
        trees: &'t mut Vec<Tree>,
        path: &str,
        names: usize,
        module: usize,
        at: &Statement,
    ) -> Result<&'t mut Tree, Error> {
        let missing = || self.fault(module, at, &format!("there is no node `{path}`"));
        let mut level = trees;
        let mut steps = path.split('/').peekable();
        while let Some(step) = steps.next() {
            let (found, local) = self.split(step.trim(), module, at)?;
            let wanted = found.unwrap_or(names);
            let next = level
                .iter_mut()
                .find(|tree| tree.name == local && tree.module == wanted)
                .ok_or_else(missing)?;
            if steps.peek().is_none() {
                return Ok(next);
            }
            level = &mut next.children;
        }
        Err(missing())
    }
}
