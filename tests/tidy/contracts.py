"""A kind of import contract: a package imports, of our own packages, those listed and no other."""

from __future__ import annotations

from grimp import ImportGraph
from importlinter.application import output
from importlinter.domain import fields
from importlinter.domain.contract import Contract, ContractCheck


class OnlyContract(Contract):
    """``importer`` and everything in it import no modules of ours but those in ``allowed`` and their own."""

    type_name = "only"

    importer = fields.ModuleField()
    allowed = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        importer = self.importer.name
        roots = {name.partition(".")[0] for name in graph.modules if not graph.is_module_squashed(name)}
        wrong = [
            (module, imported)
            for module in sorted({importer, *graph.find_descendants(importer)})
            for imported in sorted(graph.find_modules_directly_imported_by(module))
            if imported.partition(".")[0] in roots and not any(_inside(imported, one) for one in (importer, *self.allowed))
        ]
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for module, imported in check.metadata["wrong"]:
            output.print_error(f"{module} must not import {imported}")


def _inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
