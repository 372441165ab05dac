"""Executing a cached operation with graphql-core, along its plan."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLResolveInfoHelpers,
    GraphQLSchema,
    OperationType,
    Undefined,
)
from graphql.execution import default_type_resolver
from graphql.execution.collect_fields import FieldDetails, collect_fields
from graphql.execution.executor import Executor
from graphql.execution.values import VariableValues, get_variable_values
from graphql.pyutils import Path, gather_with_cancel

from kana.api.graphql.budget import (
    OBJECTS_AT_ONCE,
    OBJECTS_MAX,
    Budget,
    OverBudget,
    Turn,
    expected_objects,
    too_many_objects,
)
from kana.api.graphql.documents import NotExecutable, Operation
from kana.api.graphql.lists import ListRun, Parts, is_outermost
from kana.api.graphql.plan import Field, Plan, read_field
from kana.api.graphql.shapes import Branch, read, write

_ERRORS_MAX = 20

_Grouped = dict[str, list[FieldDetails]]


async def execute(
    schema: GraphQLSchema,
    operation: Operation,
    variables: dict[str, Any],
    *,
    context: Any,
    hide_suggestions: bool = False,
    turn: Turn | None = None,
) -> ExecutionResult:
    """Execute ``operation``; its errors are in the result.

    Fields of a query run concurrently, those of a mutation in order. In a document with several mutations
    each reports its own result: a failed one is null, and the others are executed all the same.
    A long list is written in parts, as ``turn`` allows, and is JSON in the result.

    Raises:
        NotExecutable: the variables are not valid; nothing was executed.
        OverBudget: the answer is too large. What mutations changed stays; each has its own error.
    """
    if operation.says_first:
        expected = expected_objects(operation.node.selection_set, operation.fragment_definitions, variables)
        if expected > OBJECTS_MAX:
            raise too_many_objects()
    plan = operation.plan or Plan(schema, operation.node, one_by_one=operation.longer_lists)
    values = plan.variables(variables) or get_variable_values(
        schema,
        operation.node.variable_definitions or (),
        variables,
        max_errors=_ERRORS_MAX,
        hide_suggestions=hide_suggestions,
    )
    if isinstance(values, list):
        raise NotExecutable(values)
    executor = PlannedExecutor(
        schema, operation, plan, values, context, hide_suggestions=hide_suggestions, turn=turn or Turn()
    )
    return await executor.run()


class PlannedExecutor(Executor[Any]):
    """graphql-core's executor, which follows a plan. The rules for values, nulls and errors are graphql-core's."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: Operation,
        plan: Plan,
        values: VariableValues,
        context: Any,
        *,
        hide_suggestions: bool,
        turn: Turn,
    ) -> None:
        super().__init__(
            schema,
            operation.fragment_definitions,
            operation.fragments,
            None,
            context,
            operation.node,
            values,
            read_field,
            default_type_resolver,
            read_field,
            hide_suggestions=hide_suggestions,
        )
        self._plan = plan
        self._relevant_sub_fields = plan.sub_fields
        self.turn = turn
        self._budget = Budget()

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """The helpers for resolvers. They are created on demand, because storing them would make a cycle.

        Only the collector frees cycles, so every request would leave garbage behind.
        """
        return GraphQLResolveInfoHelpers(gather=self.gather_async_work, track=self.track_async_work)

    @async_helpers.setter
    def async_helpers(self, _kept: GraphQLResolveInfoHelpers) -> None: ...

    async def run(self) -> ExecutionResult:
        """Execute the operation; a root field that is null but must not be makes ``data`` null."""
        operation = self.operation
        root_type = self.schema.get_root_type(operation.operation)
        assert root_type is not None, "validation refuses an operation for which the schema has no type"
        data: dict[str, Any] | None
        try:
            if operation.operation is OperationType.MUTATION:
                data = await self._in_order(root_type, self._root(root_type))
            else:
                fields = self.execute_fields(root_type, None, None, self._root(root_type), None)
                data = fields if isinstance(fields, dict) else await fields
        except GraphQLError as error:
            self.collected_errors.add(error, None)
            data = None
        return ExecutionResult(data, self.collected_errors.errors or None)

    def _root(self, root_type: GraphQLObjectType) -> _Grouped:
        plan = self._plan
        if plan.root is None:
            plan.root = collect_fields(
                self.schema,
                self.fragments,
                self.variable_values,
                root_type,
                self.operation,
                self.hide_suggestions,
            )
        return plan.root.grouped_field_set

    async def _in_order(self, root_type: GraphQLObjectType, grouped: _Grouped) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for name, details in grouped.items():
            path = Path(None, name, root_type.name)
            try:
                result = self.execute_field(root_type, None, details, path, None)
                results[name] = await result if self.is_awaitable(result) else result
            except OverBudget as error:
                self.collected_errors.add(GraphQLError(error.message, path=path.as_list(), original_error=error), path)
                results[name] = None
            except GraphQLError as error:
                # By the specification the whole answer would be null, including the results of the others.
                if len(grouped) == 1:
                    raise
                self.collected_errors.add(error, path)
                results[name] = None
        return results

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: _Grouped,
        position_context: Any,
    ) -> Any:
        """Execute the fields of one object: plain values are read, all others resolved."""
        self.turn.take(1)
        results: dict[str, Any] = {}
        waiting: list[str] = []
        try:
            for name, shape, details in self._plan.steps(parent_type, grouped_field_set, self.collect_subfields):
                value = read(shape, source_value) if shape is not None else Undefined
                if value is Undefined:
                    value = self.execute_field(
                        parent_type, source_value, details, Path(path, name, parent_type.name), position_context
                    )
                    if value is Undefined:
                        continue
                    if self.is_awaitable(value):
                        waiting.append(name)
                results[name] = value
        except Exception:
            if waiting:
                self.settle_in_background([results[name] for name in waiting])
            raise
        return _await_all(results, waiting) if waiting else results

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: list[FieldDetails],
        path: Path,
        position_context: Any,
    ) -> Any:
        """Resolve one field and complete its value, at once or as an awaitable."""
        field = self._plan.field(parent_type, field_details_list)
        if field is None:
            return Undefined
        try:
            info = self._info(field, parent_type, path)
            arguments = field.arguments(self.variable_values, hide_suggestions=self.hide_suggestions)
            result = field.resolve(source, info, **arguments)
            if self.is_awaitable(result):
                return self._await(result, field, field_details_list, info, path, position_context)
            completed = self._complete(result, field, field_details_list, info, path, position_context)
        except Exception as error:  # noqa: BLE001 - whatever a resolver raises belongs to its field
            self.handle_field_error(error, field.type, field_details_list, path)
            return None
        if self.is_awaitable(completed):
            return self._settle(completed, field, field_details_list, path)
        return completed

    async def _await(
        self,
        awaitable: Awaitable[Any],
        field: Field,
        details: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        position_context: Any,
    ) -> Any:
        try:
            completed = self._complete(await awaitable, field, details, info, path, position_context)
            return await completed if self.is_awaitable(completed) else completed
        except Exception as error:  # noqa: BLE001 - whatever a resolver raises belongs to its field
            self.handle_field_error(error, field.type, details, path)
            return None

    def _complete(
        self,
        result: Any,
        field: Field,
        details: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        position_context: Any,
    ) -> Any:
        """Complete the value of a resolver: along its shape, or if that does not fit, as graphql-core does."""
        shape = self._plan.result(field, details, self.collect_subfields)
        objects = 0
        if isinstance(shape, Branch) and shape.is_list and type(result) is list:
            objects = len(result) * shape.objects
            self._budget.take_objects(objects)
            if self.turn.is_over or len(result) > OBJECTS_AT_ONCE:
                return self._write_in_turns(shape, result, field, details, info, path, position_context)
            self.turn.take(objects)
        completed = Undefined if shape is None else write(shape, result)
        if completed is Undefined:
            self._budget.take_objects(-objects)  # They are counted on the long way.
            return self.complete_value(field.type, details, info, path, result, position_context)
        return completed

    async def _write_in_turns(
        self,
        shape: Branch,
        values: list[Any],
        field: Field,
        details: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        position_context: Any,
    ) -> Any:
        """Write a long list of plain objects along its shape, one part at a time."""
        parts = Parts(self._budget if is_outermost(path) else None)
        for start in range(0, len(values), OBJECTS_AT_ONCE):
            await self.turn.wait()
            part = write(shape, values[start : start + OBJECTS_AT_ONCE])
            if part is Undefined:
                self._budget.take_objects(-len(values) * shape.objects)
                completed = self.complete_value(field.type, details, info, path, values, position_context)
                return await completed if self.is_awaitable(completed) else completed
            parts.add(part)
            self.turn.take(len(part) * shape.objects)
        return parts.whole()

    def complete_iterable_value(
        self,
        item_type: GraphQLOutputType,
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        items: Iterable[Any],
        position_context: Any,
    ) -> Any:
        """Complete the items of a list one after the other, as long as it is this request's turn."""
        every = items if isinstance(items, list) else list(items)
        self._budget.take_objects(len(every))
        run = ListRun(self, self.turn, every, item_type, field_details_list, info, path, position_context)
        run.go_on()
        if run.is_done and not run.waiting:
            return run.completed
        return run.settle() if run.is_done else run.in_turns(self._budget)

    @staticmethod
    def complete_leaf_value(return_type: GraphQLLeafType, result: Any) -> Any:
        """Write one scalar or enum; a value that does not fit its type is an internal error, not the caller's."""
        try:
            return Executor.complete_leaf_value(return_type, result)
        except GraphQLError as error:
            raise TypeError(error.message) from error

    def _info(self, field: Field, parent_type: GraphQLObjectType, path: Path) -> GraphQLResolveInfo[Any]:
        return GraphQLResolveInfo(
            field.nodes[0].name.value,
            field.nodes,
            field.type,
            parent_type,
            path,
            self.schema,
            self.fragment_definitions,
            self.root_value,
            self.operation,
            self.variable_values,
            self.context_value,
            self.is_awaitable,
            self.abort_signal,
            self.async_helpers,
        )

    def handle_field_error(
        self, raw_error: Exception, return_type: GraphQLOutputType, field_details_list: list[FieldDetails], path: Path
    ) -> None:
        """Report an error at its field, as the specification says; an answer that is too large belongs to no field."""
        if isinstance(raw_error, OverBudget):
            raise raw_error
        super().handle_field_error(raw_error, return_type, field_details_list, path)

    async def _settle(self, completed: Awaitable[Any], field: Field, details: list[FieldDetails], path: Path) -> Any:
        try:
            return await completed
        except Exception as error:  # noqa: BLE001 - whatever a resolver raises belongs to its field
            self.handle_field_error(error, field.type, details, path)
            return None


async def _await_all(results: dict[str, Any], waiting: list[str]) -> dict[str, Any]:
    if len(waiting) == 1:
        results[waiting[0]] = await results[waiting[0]]
    else:
        values = await gather_with_cancel(*(results[name] for name in waiting))
        results.update(zip(waiting, values, strict=True))
    return results
