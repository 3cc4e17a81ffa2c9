// Special functions of one double, compiled once. The vector code of math.h calls them lane by lane.
#pragma once

namespace rl::cpu::special {

double lgamma(double x);  // log|Gamma(x)|, safe to call from several threads
double digamma(double x);
double zeta(double s, double q);  // Hurwitz: the sum of (q + k)^-s over k >= 0
double polygamma(int n, double x);

}  // namespace rl::cpu::special
