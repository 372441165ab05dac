"""Executing a prepared operation on graphql-core, without what is the same for every request."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

from graphql import ExecutionResult, GraphQLSchema
from graphql.execution import default_field_resolver, default_type_resolver
from graphql.execution.executor import Executor
from graphql.execution.values import get_variable_values

from kana.api.graphql.documents import Operation

_ERRORS_MAX = 20


async def execute(
    schema: GraphQLSchema,
    operation: Operation,
    variables: dict[str, Any],
    *,
    context: Any,
    hide_suggestions: bool = False,
) -> ExecutionResult:
    """Execute ``operation``; what goes wrong is in the result's errors, mutations run in their order.

    ``Executor.build`` would look for the operation and its fragments again, each time.
    """
    values = get_variable_values(
        schema,
        operation.node.variable_definitions or (),
        variables,
        max_errors=_ERRORS_MAX,
        hide_suggestions=hide_suggestions,
    )
    if isinstance(values, list):
        return ExecutionResult(None, errors=values)
    executor: Executor[Any] = Executor(
        schema,
        operation.fragment_definitions,
        operation.fragments,
        None,
        context,
        operation.node,
        values,
        default_field_resolver,
        default_type_resolver,
        default_field_resolver,
        hide_suggestions=hide_suggestions,
    )
    result = executor.execute_operation()
    if not isinstance(result, ExecutionResult):
        result = await cast("Awaitable[ExecutionResult]", result)
    return result
